package provider

// TestError says why a provider cannot be used.
type TestError struct {
	// Reason of the condition Connected.
	Reason string
	// Message says what to do. It holds nothing of a Secret, and nothing that the provider has answered.
	Message string
}

// Error implements error.
func (e *TestError) Error() string { return e.Message }
