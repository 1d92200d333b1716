// Package argocd proves what config/argocd/health.lua tells Argo CD, by running it in the interpreter that Argo CD uses.
package argocd
