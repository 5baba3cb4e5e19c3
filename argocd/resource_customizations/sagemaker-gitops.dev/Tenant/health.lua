-- Argo CD's health of a Tenant: it is in force as soon as it exists, for it is a rule and nothing is made of it.
-- Its status, if anybody writes one, is believed when it is about this generation.
if obj.status == nil or obj.status.conditions == nil then
  return { status = "Healthy", message = "in force" }
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "waiting for the operator" }
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Stalled" and condition.status == "True" then
    return { status = "Degraded", message = condition.reason .. ": " .. (condition.message or "") }
  end
end
return { status = "Healthy", message = "in force" }
