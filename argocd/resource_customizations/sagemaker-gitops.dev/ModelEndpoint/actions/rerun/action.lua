-- Runs the batch job again although nothing has changed. It costs money.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["sagemaker-gitops.dev/rerun"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
