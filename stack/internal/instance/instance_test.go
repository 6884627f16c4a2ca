package instance

import "testing"

func TestPort(t *testing.T) {
	for _, tt := range []struct{ offset, port, want int }{
		{0, 8000, 8000}, {0, 50400, 50400},
		{10000, 8000, 18000}, {10000, 50000, 30000}, {10000, 15432, 25432}, {12000, 50401, 32401},
	} {
		if got := (Instance{Offset: tt.offset}).Port(tt.port); got != tt.want {
			t.Errorf("port %d with offset %d is %d, want %d", tt.port, tt.offset, got, tt.want)
		}
	}
}

func TestNewRefusesCollisions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		offset int
		ok     bool
	}{
		{"run", 0, true}, {"e2e", 10000, true},
		{"run", 10000, false}, {"e2e", 0, false}, {"bin", 10000, false}, {"../x", 10000, false}, {"e2e", 20000, false},
	} {
		if _, err := New("/repo", tt.name, tt.offset); (err == nil) != tt.ok {
			t.Errorf("%s at %d: %v", tt.name, tt.offset, err)
		}
	}
}
