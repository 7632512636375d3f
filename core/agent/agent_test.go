package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/store"
)

func TestMain(m *testing.M) {
	fault.Report(func(e *fault.Error) { panic(e) })
	if os.Getenv(crashVariable) != "" {
		crashMain()
		return
	}
	dir, err := os.MkdirTemp("", "agent")
	if err == nil {
		err = makeEmptyStore(filepath.Join(dir, "db"))
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// emptyStore is the folder of a store with nothing in it: copying that is much faster than making the tables again for each test. In
// a program that a test of crashes starts there is none.
var emptyStore string

func makeEmptyStore(dir string) error {
	db, err := store.Create(context.Background(), dir, store.Options{})
	if err != nil {
		return err
	}
	emptyStore = dir
	return db.Close()
}

// createStore makes a store in dir.
func createStore(ctx context.Context, dir string) (*store.DB, error) {
	if emptyStore == "" {
		return store.Create(ctx, dir, store.Options{})
	}
	if err := os.CopyFS(dir, os.DirFS(emptyStore)); err != nil {
		return nil, err
	}
	return store.Open(ctx, dir, store.Options{})
}

// openStore makes a store in a folder of the test.
func openStore(t testing.TB) *store.DB {
	t.Helper()
	db, err := createStore(t.Context(), t.TempDir())
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
