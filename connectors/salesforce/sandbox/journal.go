package sandbox

type journal struct{}

func (j *journal) append(*txn) error { return nil }
