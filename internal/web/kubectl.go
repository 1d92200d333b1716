package web

import (
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/keyturn/keyturn/internal/token"
)

// kubectlCookie says for which kubectl the person has logged in (token.Login). Browsers send it to the page for kubectl alone, so that an
// application on the same host, which gets the session, does not get it.
const kubectlCookie = "keyturn-kubectl"

const (
	kubectlPath = "/login/kubectl"

	// minStateBytes and maxStateBytes bound the state, with which kubectl recognises the answer to its own question.
	minStateBytes, maxStateBytes = 16, 128
	stateAlphabet                = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	// minLoopbackPort is the first port that a person's program may listen on.
	minLoopbackPort, maxLoopbackPort = 1024, 65535
)

// kubectlRequest is what kubectl account login asks for, in the address of the page that it opens.
type kubectlRequest struct {
	// Challenge binds the login code to the kubectl that asks (RFC 7636).
	Challenge string
	State     string
	// Port of 127.0.0.1 on which kubectl waits for the code (RFC 8252, section 7.3). It is empty where the browser is on another computer:
	// then the person copies the code.
	Port string
}

// parseKubectlRequest reads the parameters of the page, from its address or its form.
func parseKubectlRequest(values url.Values) (kubectlRequest, bool) {
	k := kubectlRequest{Challenge: values.Get("challenge"), State: values.Get("state"), Port: values.Get("port")}
	isState := len(k.State) >= minStateBytes && len(k.State) <= maxStateBytes && strings.Trim(k.State, stateAlphabet) == ""
	port, err := strconv.Atoi(k.Port)
	isPort := k.Port == "" || err == nil && strconv.Itoa(port) == k.Port && port >= minLoopbackPort && port <= maxLoopbackPort
	return k, token.IsChallenge(k.Challenge) && isState && isPort
}

// address returns the address of the page, for the organisation in the address of a request.
func (k kubectlRequest) address(r *http.Request) string {
	query := url.Values{"challenge": {k.Challenge}, "state": {k.State}}
	if k.Port != "" {
		query.Set("port", k.Port)
	}
	return inOrganization(organizationOf(r), kubectlPath) + "?" + query.Encode()
}

// listener returns the origin at which kubectl waits for the answer; empty where it does not.
func (k kubectlRequest) listener() string {
	if k.Port == "" {
		return ""
	}
	return "http://127.0.0.1:" + k.Port
}

// kubectlIn returns the path of the page for kubectl and the request of kubectl account login that an address to return to leads to; false
// for any other address. The path is that of the page itself, of an organisation that can be one: what browsers send there, no application on
// this host gets.
func kubectlIn(to string) (path string, k kubectlRequest, ok bool) {
	u, err := url.Parse(to)
	if err != nil {
		return "", kubectlRequest{}, false
	}
	path = u.EscapedPath()
	organization := strings.TrimSuffix(strings.TrimPrefix(path, "/o/"), kubectlPath)
	if path != kubectlPath && (path != "/o/"+organization+kubectlPath || len(validation.IsDNS1123Label(organization)) > 0) {
		return "", kubectlRequest{}, false
	}
	k, ok = parseKubectlRequest(u.Query())
	return path, k, ok
}

// rememberLoginFor notes after a login for which kubectl the person has logged in, if it was for one.
func (v *requestSessions) rememberLoginFor(w http.ResponseWriter, r *http.Request, to string, claims token.Claims) {
	path, k, ok := kubectlIn(to)
	if !ok {
		return
	}
	signed, err := v.Sessions.Keys.Ring().SignLogin(token.Login{
		SessionID: claims.SessionID, Host: r.Host, Challenge: k.Challenge, LoginTime: claims.LoginTime,
	})
	if err != nil {
		slog.Warn("Login for kubectl not noted: the person has to log in again", "error", err)
		return
	}
	v.SetAt(w, path, kubectlCookie, signed.Text(), token.LoginLifetime)
}

// hasLoggedInFor tells whether the person has logged in to a session for the kubectl with a challenge.
func (v *requestSessions) hasLoggedInFor(r *http.Request, challenge string, claims token.Claims) bool {
	login, err := v.Sessions.Keys.Ring().VerifyLogin(v.GetAt(r, kubectlCookie), v.Sessions.Clock.Now())
	return err == nil && login.SessionID == claims.SessionID && login.Host == r.Host && login.Challenge == challenge
}
