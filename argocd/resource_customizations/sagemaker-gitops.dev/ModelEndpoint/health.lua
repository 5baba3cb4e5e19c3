-- Argo CD's health of a ModelEndpoint: what the operator says in its conditions, in kstatus' order. Only tables and the base library are there.
local function said(status, condition)
  local message = condition.reason or condition.type
  if condition.message ~= nil and condition.message ~= "" then
    message = message .. ": " .. condition.message
  end
  return { status = status, message = message }
end

-- An edit that the operator has not seen yet: its words are about what was before.
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "waiting for the operator" }
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local function is(type, status)
  return conditions[type] ~= nil and conditions[type].status == status
end

if is("Stalled", "True") then
  return said("Degraded", conditions.Stalled)
end
if is("Reconciling", "True") then
  return said("Progressing", conditions.Reconciling)
end
-- The operator's own error, which it retries.
if is("Ready", "Unknown") then
  return said("Degraded", conditions.Ready)
end
-- The endpoint serves, and a batch job on it has failed: a finding about the work, so Ready stays.
if is("Ready", "True") and is("BatchFailed", "True") then
  return said("Degraded", { reason = "BatchFailed", message = conditions.BatchFailed.message })
end
if is("Ready", "True") then
  return said("Healthy", conditions.Ready)
end
-- What serves goes on serving while the next version waits for its approval.
if is("Ready", "False") and conditions.Ready.reason == "AwaitingApproval" and obj.status.phase == "InService" then
  return said("Healthy", conditions.Ready)
end
-- Neither ready nor moving nor broken: somebody wants it so, or is waited for.
if is("Ready", "False") then
  return said("Suspended", conditions.Ready)
end
return { status = "Progressing", message = "waiting for the operator" }
