package console

import (
	"log/slog"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// declaration is an account without what the cluster adds to it.
type declaration struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        declaredName             `json:"metadata"`
	Spec            v1alpha1.UserAccountSpec `json:"spec"`
}

type declaredName struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// edit serves GET /admin/accounts/{namespace}/{name}/edit. What is declared is edited where it is declared.
func (c *console) edit(w http.ResponseWriter, r *http.Request) {
	d := c.pageWithDialog(w, r, "edit", false)
	if d == nil {
		return
	}
	text, err := yaml.Marshal(declaration{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "UserAccount"},
		Metadata: declaredName{Name: d.Account.Name, Namespace: d.Account.Namespace}, Spec: d.Account.Spec,
	})
	if err != nil {
		slog.Error("Account not shown as YAML: please report it", "error", err)
	}
	view := newAccountView(c.UI.Text(r), d)
	view.YAML = &yamlDialog{Text: string(text), Back: view.Address + "#edit"}
	c.UI.Render(w, r, http.StatusOK, "admin-account", view)
}
