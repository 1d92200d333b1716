package console

import (
	"net/http"
	"time"

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

func (c *console) setNotice(w http.ResponseWriter, notice string) {
	c.Cookies.Set(w, noticeCookie, notice, noticeLasts)
}

// takeNotice returns the text of the notice and deletes its cookie; empty if there is none.
func (c *console) takeNotice(w http.ResponseWriter, r *http.Request, t *ui.Text) string {
	notice := c.Cookies.Get(r, noticeCookie)
	if notice == "" {
		return ""
	}
	c.Cookies.Drop(w, noticeCookie)
	if key := "admin.notice." + notice; t.Has(key) {
		return t.Say(key)
	}
	return ""
}
