package argocd_test

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

const script = "../../config/argocd/health.lua"

// health is what Argo CD shows of an object.
type health struct{ status, message string }

// TestHealth: what people see in Argo CD of an account or a policy, for each state that a status can be in.
func TestHealth(t *testing.T) {
	t.Parallel()

	const (
		waits   = "Waiting for the operator of Keyturn"
		account = "kind: UserAccount\nmetadata: {name: ada, generation: 3}\n"
	)

	judgeAll(t, map[string]row{
		"just created":    {account, health{"Progressing", waits}},
		"null status":     {account + "status: null", health{"Progressing", waits}},
		"no conditions":   {account + "status: {observedGeneration: 3}", health{"Progressing", waits}},
		"no generation":   {account + "status: {conditions: [{type: Ready, status: 'True', reason: Succeeded, message: Applied.}]}", health{"Progressing", waits}},
		"edited since":    {account + "status: {observedGeneration: 2, conditions: [{type: Ready, status: 'True', reason: Succeeded, message: Applied.}]}", health{"Progressing", waits}},
		"broken, edited":  {account + "status: {observedGeneration: 2, conditions: [{type: Ready, status: 'False', reason: PolicyViolation, message: Short.}, {type: Stalled, status: 'True', reason: PolicyViolation, message: Short.}]}", health{"Progressing", waits}},
		"Ready is absent": {account + "status: {observedGeneration: 3, conditions: [{type: CredentialFound, status: 'True', reason: Found, message: Stored.}]}", health{"Progressing", waits}},
		"applied": {
			account + "status: {observedGeneration: 3, standing: Active, conditions: [{type: UsernameAccepted, status: 'True', reason: Accepted, message: Its own.}, {type: Ready, status: 'True', reason: Succeeded, message: Applied.}]}",
			health{"Healthy", "Succeeded: Applied."},
		},
		"somebody is locked out": {
			account + "status: {observedGeneration: 3, standing: Locked, conditions: [{type: Ready, status: 'True', reason: Succeeded, message: Applied.}]}",
			health{"Healthy", "Succeeded: Applied."},
		},
		"a request lies ahead": {
			account + "status: {observedGeneration: 3, conditions: [{type: Ready, status: 'True', reason: Succeeded, message: Applied.}, {type: RequestPending, status: 'True', reason: InFuture, message: Tomorrow.}]}",
			health{"Healthy", "Succeeded: Applied."},
		},
		"the Secret comes later": {
			account + "status: {observedGeneration: 3, conditions: [{type: Ready, status: 'False', reason: SecretNotFound, message: There is none.}]}",
			health{"Progressing", "SecretNotFound: There is none."},
		},
		"somebody has to act": {
			account + "status: {observedGeneration: 3, conditions: [{type: Ready, status: 'False', reason: SecretNotFound, message: There is none.}, {type: Stalled, status: 'True', reason: PolicyNotAllowed, message: Not from here.}]}",
			health{"Degraded", "PolicyNotAllowed: Not from here."},
		},
		"policy that applies": {
			"kind: PasswordPolicy\nmetadata: {name: team, generation: 1}\nstatus: {observedGeneration: 1, accounts: 4, conditions: [{type: Ready, status: 'True', reason: SeveralDefaultPolicies, message: The newest.}]}",
			health{"Healthy", "SeveralDefaultPolicies: The newest."},
		},
		"policy without its list": {
			"kind: PasswordPolicy\nmetadata: {name: team, generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Ready, status: 'False', reason: DenyListNotFound, message: No list.}]}",
			health{"Progressing", "DenyListNotFound: No list."},
		},
		"policy that another replaces": {
			"kind: PasswordPolicy\nmetadata: {name: team, generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Ready, status: 'False', reason: SeveralDefaultPolicies, message: Another.}, {type: Stalled, status: 'True', reason: SeveralDefaultPolicies, message: Another.}]}",
			health{"Degraded", "SeveralDefaultPolicies: Another."},
		},
	})
}

// TestHealthOfProviders: what people see in Argo CD of an identity provider, also where the directory server does not run.
func TestHealthOfProviders(t *testing.T) {
	t.Parallel()

	const (
		tests    = "Waiting for the directory server of Keyturn"
		untested = "Nobody has tested the connection: the directory server of Keyturn is not deployed, or has not done so yet"
		provider = "kind: IdentityProvider\nmetadata: {name: contoso, generation: 2}\n"
	)

	judgeAll(t, map[string]row{
		"no directory server": {provider, health{"Healthy", untested}},
		"null status":         {provider + "status: null", health{"Healthy", untested}},
		"nothing tested":      {provider + "status: {accounts: 2}", health{"Healthy", untested}},
		"edited since": {
			provider + "status: {observedGeneration: 1, conditions: [{type: Ready, status: 'True', reason: Succeeded, message: Usable.}]}",
			health{"Progressing", tests},
		},
		"Ready is absent": {
			provider + "status: {observedGeneration: 2, conditions: [{type: CredentialsFound, status: 'True', reason: Found, message: There.}]}",
			health{"Progressing", tests},
		},
		"can be used": {
			provider + "status: {observedGeneration: 2, conditions: [{type: Ready, status: 'True', reason: Succeeded, message: Usable.}]}",
			health{"Healthy", "Succeeded: Usable."},
		},
		"cannot be reached": {
			provider + "status: {observedGeneration: 2, conditions: [{type: Ready, status: 'False', reason: DialFailed, message: No answer.}]}",
			health{"Progressing", "DialFailed: No answer."},
		},
		"another issuer": {
			provider + "status: {observedGeneration: 2, conditions: [{type: Ready, status: 'False', reason: IssuerMismatch, message: Slash.}, {type: Stalled, status: 'True', reason: IssuerMismatch, message: Slash.}]}",
			health{"Degraded", "IssuerMismatch: Slash."},
		},
	})
}

// row is an object, and what Argo CD shows of it.
type row struct {
	object string
	want   health
}

// judgeAll judges the objects of a table.
func judgeAll(t *testing.T, table map[string]row) {
	t.Helper()

	for name, row := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if got := judge(t, row.object); got != row.want {
				t.Errorf("Argo CD shows %+v, want %+v", got, row.want)
			}
		})
	}
}

// judge runs the script as Argo CD does: the object is the global obj, only the base, table and string libraries are there, and a table
// with status and message is returned.
func judge(t *testing.T, object string) health {
	t.Helper()

	var content map[string]any
	if err := yaml.Unmarshal([]byte(object), &content); err != nil {
		t.Fatal(err)
	}

	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()

	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}

	state.SetGlobal("obj", value(state, content))

	if err := state.DoFile(script); err != nil {
		t.Fatal(err)
	}

	returned, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		t.Fatalf("the script returns %s, want a table", state.Get(-1).Type())
	}

	return health{returned.RawGetString("status").String(), returned.RawGetString("message").String()}
}

// value is a part of an object in Lua, as Argo CD hands it over.
func value(state *lua.LState, of any) lua.LValue {
	switch of := of.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range of {
			table.RawSetString(key, value(state, field))
		}

		return table
	case []any:
		table := state.NewTable()
		for _, item := range of {
			table.Append(value(state, item))
		}

		return table
	case string:
		return lua.LString(of)
	case float64:
		return lua.LNumber(of)
	case bool:
		return lua.LBool(of)
	default:
		return lua.LNil
	}
}
