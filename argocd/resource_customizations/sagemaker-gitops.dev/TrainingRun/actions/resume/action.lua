-- The operator takes the object up again.
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["sagemaker-gitops.dev/pause"] = nil
end
return obj
