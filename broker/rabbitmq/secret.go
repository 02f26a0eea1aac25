package rabbitmq

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a text that no formatter, encoder or logger shows. The zero value is the empty text.
// It holds a pointer, so that even a printer that walks unexported fields by reflection finds an address at most.
type Secret struct{ text *string }

// NewSecret hides the text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal gives the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String says "[redacted]", whatever the text.
func (s Secret) String() string { return redacted }

// GoString says "[redacted]".
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText gives "[redacted]". JSON, and so zerolog, uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue is what slog shows: "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
