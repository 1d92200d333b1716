package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/ui"
)

const (
	// noticeCookie makes the next page say what has happened. It is a cookie, since with a query parameter any link could show it.
	noticeCookie = "keyturn-admin-notice"
	noticeLasts  = time.Minute
)

// The notices, besides the actions themselves.
const (
	// noticeReset: the password was reset, and has to be changed. noticeResetKept: the person may not change it.
	noticeReset     = "reset"
	noticeResetKept = "reset-kept"
)

// setNotice leaves a notice for the page of an account.
func (c *console) setNotice(w http.ResponseWriter, t administration.Target, notice string) {
	c.Cookies.Set(w, noticeCookie, notice+"/"+t.Namespace+"/"+t.Name, noticeLasts)
}

// takeNotice returns the text of the notice for the page of an account, and deletes its cookie; empty if there is none.
func (c *console) takeNotice(w http.ResponseWriter, r *http.Request, t administration.Target, text *ui.Text) string {
	notice, isFor := strings.CutSuffix(c.Cookies.Get(r, noticeCookie), "/"+t.Namespace+"/"+t.Name)
	if !isFor {
		return ""
	}
	c.Cookies.Drop(w, noticeCookie)
	if key := "admin.notice." + notice; text.Has(key) {
		return text.Say(key)
	}
	return ""
}
