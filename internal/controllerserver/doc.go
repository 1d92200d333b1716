// Package controllerserver is what the programs have in common that run controllers: the operator and the directory server.
//
//	if err := controllerserver.AwaitAPIServer(ctx, config); err != nil || ctx.Err() != nil {
//		return err
//	}
//	mgr, err := controllerserver.NewManager(config, controllerserver.Options{Name: "operator", ...})
//	...
//	err = mgr.Start(ctx) // On an error: controllerserver.BeginAnew.
//
// # What it owns
//
// How such a server outlasts outages of the API server (docs/adr/0034-operator-outlasts-outages.md), its lease, and the settings of its manager
// and of its caches.
//
// # What it may not do
//
// Know a controller, or what one reconciles. It imports nothing else of Keyturn but internal/reconnect.
package controllerserver
