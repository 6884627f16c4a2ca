package auth

import "time"

// Forget makes v think that it asked for keys long ago.
func Forget(v *Verifier) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = time.Time{}
}
