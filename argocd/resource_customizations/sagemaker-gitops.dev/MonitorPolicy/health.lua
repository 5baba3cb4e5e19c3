-- Argo CD's health of a MonitorPolicy: what the operator says in its conditions, in kstatus' order. Only tables and the base library are there.
-- A breach is a finding about the model: Ready stays, Argo CD shows red until a good check, whatever runs or is missing meanwhile.
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
-- Unless a person has put the policy to rest.
local resting = { Suspended = true, Paused = true, Released = true }
local rests = is("Ready", "False") and resting[conditions.Ready.reason]
if is("Breached", "True") and not rests then
  local words = is("Ready", "True") and conditions.Ready.message or conditions.Breached.message
  return said("Degraded", { reason = "Breached", message = words })
end
if is("Reconciling", "True") then
  return said("Progressing", conditions.Reconciling)
end
-- The operator's own error, which it retries.
if is("Ready", "Unknown") then
  return said("Degraded", conditions.Ready)
end
if is("Ready", "True") then
  return said("Healthy", conditions.Ready)
end
-- Neither a breach nor a success: no data, too little, or too late.
-- Neither ready nor moving nor broken: somebody wants it so, or is waited for.
if is("Ready", "False") then
  return said("Suspended", conditions.Ready)
end
return { status = "Progressing", message = "waiting for the operator" }
