-- Brings a parked endpoint back, as `sagemaker-gitops unpark` does.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["sagemaker-gitops.dev/unpark-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
