package stock

// Take and Sell are what a reservation and its sale ask the database, for a test of how that is planned.
var (
	Reserve = reserve
	Commit  = commit
)
