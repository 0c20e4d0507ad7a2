package sandbox

func (c *call) graph() reply        { return notFound() }
func (c *call) tree(_ string) reply { return notFound() }
