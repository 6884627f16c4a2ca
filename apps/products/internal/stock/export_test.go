package stock

// Reserve and Commit are the store functions, for the test of their query plans.
var (
	Reserve = reserve
	Commit  = commit
)
