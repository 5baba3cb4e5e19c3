-- The operator leaves the object, and what it has made of it, as they are.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["sagemaker-gitops.dev/pause"] = "true"
return obj
