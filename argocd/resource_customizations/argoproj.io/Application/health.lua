-- Argo CD's health of an Application inside another: without it a wave of an app-of-apps does not wait for the one before.
if obj.status ~= nil and obj.status.health ~= nil and obj.status.health.status ~= nil then
  return { status = obj.status.health.status, message = obj.status.health.message or "" }
end
return { status = "Progressing", message = "" }
