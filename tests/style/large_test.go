package style

// large are files, and functions of files, past the sizes of TestSizes, with the reason.
var large = map[string]string{}
