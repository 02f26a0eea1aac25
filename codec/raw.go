package codec

// Raw is the codec of bodies that are taken as they are. It never fails.
//
// Decode returns the body itself, not a copy: whoever owns the body must leave it alone from then on, and the caller
// keeps all of it in memory for as long as it keeps any part.
func Raw() Codec[[]byte] { return raw{} }

type raw struct{}

func (raw) Append(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }

func (raw) Decode(body []byte) ([]byte, error) { return body, nil }

func (raw) ContentEncoding() string { return "" }
