-- Checks the last window now, whatever the schedule says.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["sagemaker-gitops.dev/check-now"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
