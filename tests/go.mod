module sidecart/tests

go 1.26
