package codec

import (
	"reflect"
	"strings"
)

// structFields are the fields as the library sees them: by tag or name, embedded structs flattened, the outer first.
func structFields(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	level, visited := []reflect.Type{t}, map[reflect.Type]bool{}
	for len(level) > 0 {
		var next []reflect.Type
		for _, t := range level {
			if visited[t] {
				continue
			}
			visited[t] = true
			for i := range t.NumField() {
				f := t.Field(i)
				if f.Anonymous {
					if inner := deref(f.Type); inner.Kind() == reflect.Struct {
						next = append(next, inner)
					}
					continue
				}
				name := f.Name
				if tag, ok := f.Tag.Lookup("avro"); ok {
					name, _, _ = strings.Cut(tag, ",")
				}
				if _, shadowed := fields[name]; f.IsExported() && !shadowed {
					fields[name] = f
				}
			}
		}
		level = next
	}
	return fields
}

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
