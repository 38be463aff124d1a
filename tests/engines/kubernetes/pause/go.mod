module couler.test/pause

go 1.22
