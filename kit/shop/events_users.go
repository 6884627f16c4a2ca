package shop

// usersEvents are what the users service tells.
var usersEvents = []Event{
	UserRegistered{},
}

// UserRegistered tells that an account was opened.
type UserRegistered struct {
	UserID   UserID `json:"user_id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	FullName string `json:"full_name"`
}

// Topic is users.registered.
func (UserRegistered) Topic() string { return "users.registered" }

// Key is the account.
func (e UserRegistered) Key() string { return e.UserID.String() }
