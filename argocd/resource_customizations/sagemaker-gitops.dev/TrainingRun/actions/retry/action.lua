-- A job that failed runs again (it costs money); anything else that stalls is only looked at again.
local os = require("os")
local phase = obj.status ~= nil and obj.status.phase or ""
local name = "sagemaker-gitops.dev/reconcile-requested-at"
if phase == "Failed" or phase == "Stopped" then
  name = "sagemaker-gitops.dev/rerun"
end
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations[name] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
