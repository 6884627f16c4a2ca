module sidecart/tools/deploygen

go 1.26.4

require gopkg.in/yaml.v3 v3.0.1
