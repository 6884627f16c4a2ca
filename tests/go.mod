module sidecart/tests

go 1.26.0

require (
	golang.org/x/tools v0.51.0
	gopkg.in/yaml.v3 v3.0.1
	sidecart/kit v0.0.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace sidecart/kit => ../kit
