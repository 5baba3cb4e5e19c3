"""What a Python shell job's script may import as `awsglue` in this local AWS: `awsglue.utils` only, no Spark."""
