-- What a person may ask of a MonitorPolicy. Each action sets an annotation that the operator reads; none touches the spec, so Argo CD sees no
-- difference. There is no action to approve a model: approval is a commit or a decision in the registry, by somebody else.
local status = obj.status or {}
local annotations = obj.metadata.annotations or {}
local pause = annotations["sagemaker-gitops.dev/pause"] or ""
local paused = pause ~= "" and pause ~= "false" and pause ~= "False"
local stalled = false
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Stalled" and condition.status == "True" then
    stalled = true
  end
end

local actions = {}
actions["pause"] = { ["disabled"] = paused }
actions["resume"] = { ["disabled"] = not paused }
actions["retry"] = { ["disabled"] = paused or not stalled }
actions["check-now"] = { ["disabled"] = paused or obj.spec.suspend == true or obj.spec.engine == "ModelMonitor" }
return actions
