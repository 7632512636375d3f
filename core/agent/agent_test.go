package agent

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/store"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashVariable) != "" {
		crashMain()
		return
	}
	goleak.VerifyTestMain(m)
}

// openStore makes a store in a folder of the test.
func openStore(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Create(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
