module github.com/castgate/castgate-go

go 1.24
