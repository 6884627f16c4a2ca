package event

// Wake is what the relay of an outbox waits for.
func Wake(o *Outbox) <-chan struct{} { return o.wake }
