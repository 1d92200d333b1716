package process

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// HTTPReady returns a probe for WaitReady that asks for url and wants a 200.
func HTTPReady(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}

		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()

		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 512)) // for the message only

			return fmt.Errorf("%s answers %s: %s", url, response.Status, body)
		}

		return nil
	}
}
