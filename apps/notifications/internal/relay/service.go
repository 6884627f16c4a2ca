package relay

import (
	"context"
	"net/mail"
)

// Service sends mails from one sender.
type Service struct {
	from   *mail.Address
	server *server
}

// Send returns once the server has taken a mail. It fails with fault.ErrInvalid for one that cannot be made, with ErrRefused
// or ErrPutOff where the server said no, and with ErrSilent where it is not known whether it took it.
func (s *Service) Send(ctx context.Context, m Mail) (Receipt, error) {
	msg, err := m.compose(s.from)
	if err != nil {
		return Receipt{}, err
	}
	answer, err := s.server.take(ctx, s.from.Address, m.To, msg)
	return Receipt{answer}, err
}
