-- What a person may ask of a ModelEndpoint. Each action sets an annotation that the operator reads; none touches the spec, so Argo CD sees no
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
-- What was rolled back is not tried again: another model, or an edit, is.
actions["retry"] = { ["disabled"] = paused or not stalled or status.phase == "RolledBack" }
actions["rerun"] = { ["disabled"] = paused or obj.spec.batch == nil }
actions["unpark"] = { ["disabled"] = paused or status.parking == nil or status.parking.since == nil }
return actions
