"""`python -m sagemaker_gitops` and the installed commands."""

from __future__ import annotations

import sys

from sagemaker_gitops.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
