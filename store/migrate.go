package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"github.com/sotto-chat/sotto/store/vault"
)

//go:embed migrations/*.sql
var embedded embed.FS

// A migration is one file of the directory migrations. The database records the number
// of the last one that was applied as its user_version.
type migration struct {
	name string // file name: four digits, an underscore, what it is about
	sql  string
}

var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

// loadMigrations returns the migrations 1, 2, ... in order.
func loadMigrations(files fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(files, "migrations") // sorted by name
	if err != nil {
		return nil, err
	}
	steps := make([]migration, 0, len(entries))
	for _, e := range entries {
		m := migrationName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("migration %s: name is not four digits, an underscore and a word", e.Name())
		}
		if n, err := strconv.Atoi(m[1]); err != nil || n != len(steps)+1 {
			return nil, fmt.Errorf("migration %s: number %d is missing or double", e.Name(), len(steps)+1)
		}
		b, err := fs.ReadFile(files, "migrations/"+e.Name())
		if err != nil {
			return nil, err
		}
		steps = append(steps, migration{e.Name(), string(b)})
	}
	return steps, nil
}

func readVersion(ctx context.Context, c *sql.Conn) (int, error) {
	var version int
	if err := c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("read version of the database: %w", err)
	}
	return version, nil
}

// checkVersion refuses a database to which more than the newest known migration was applied.
func checkVersion(ctx context.Context, c *sql.Conn, newest int) error {
	version, err := readVersion(ctx, c)
	if err != nil {
		return err
	}
	if version > newest {
		return fmt.Errorf("%w (its version is %d, this one knows %d)", ErrNewerDatabase, version, newest)
	}
	if version < 0 {
		return fmt.Errorf("version %d of the database: %w", version, ErrDamaged)
	}
	return nil
}

// migrate applies the migrations that the database lacks. After a crash or an error each
// one is there in full or not at all.
func migrate(ctx context.Context, c *conn, steps []migration) error {
	version, err := readVersion(ctx, c.sql)
	if err != nil {
		return err
	}
	for i := version; i < len(steps); i++ {
		if err := apply(ctx, c, steps[i].sql, i+1); err != nil {
			return fmt.Errorf("migration %s: %w", steps[i].name, vault.Explain(err))
		}
	}
	return nil
}

func apply(ctx context.Context, c *conn, script string, version int) (err error) {
	if err := c.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.rollback(context.WithoutCancel(ctx))
		}
	}()
	if _, err := c.sql.ExecContext(ctx, script); err != nil {
		return err
	}
	if _, err := c.sql.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(version)); err != nil {
		return err
	}
	return c.exec(ctx, "COMMIT")
}
