-- Health of UserAccounts, PasswordPolicies and IdentityProviders for Argo CD: docs/install.md says where it goes. It judges as Flux and
-- kubectl wait do, by the rules of kstatus: a status of an older generation says nothing yet, Ready is what is waited for, and Stalled means
-- that nothing but an edit will help.
local health = { status = "Progressing", message = "Waiting for the operator of Keyturn" }

local status = obj.status
if obj.kind == "IdentityProvider" then
  health.message = "Waiting for the directory server of Keyturn"
  -- The directory server is deployed where somebody wants connections tested, and people log in without it. Without a status, waiting
  -- might never end.
  if status == nil or status.conditions == nil then
    return { status = "Healthy", message = "Nobody has tested the connection: the directory server of Keyturn is not deployed, or has not done so yet" }
  end
end
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration == nil or status.observedGeneration < obj.metadata.generation then
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local ready, stalled = conditions.Ready, conditions.Stalled
if ready == nil then
  return health
end
health.message = ready.reason .. ": " .. ready.message
if stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
  health.message = stalled.reason .. ": " .. stalled.message
elseif ready.status == "True" then
  health.status = "Healthy"
end
return health
