package rabbit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// tick is how often a condition is looked at again that nothing announces:
// another process's lock, a port that does not answer yet.
const tick = 20 * time.Millisecond

// cacheDir returns the folder, made if need be, that holds trees, locks and the
// data of running nodes: $WEIR_CACHE, or weir in the user's cache folder.
func cacheDir(elem ...string) (string, error) {
	root := os.Getenv("WEIR_CACHE")
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder to keep RabbitMQ in: set WEIR_CACHE to one: %w", err)
		}
		root = filepath.Join(user, "weir")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(append([]string{root}, elem...)...)
	return dir, os.MkdirAll(dir, 0o755)
}

// lock waits for the file lock at path, which is held until the file is closed
// or the process dies. The file itself stays: removing it would let two
// processes hold "the same" lock on two files.
func lock(ctx context.Context, path string) (*os.File, error) {
	for {
		f, err := tryLock(path)
		if err != nil || f != nil {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another process to release %s: %w", path, ctx.Err())
		case <-time.After(tick):
		}
	}
}

// tryLock is lock without the wait: no file and no error means that somebody
// else holds it, in this process or in another.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	quietly(f)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// quietly closes what has nothing more to say: a lock that ends with its file
// either way, a socket that was only there to ask.
func quietly(c io.Closer) { _ = c.Close() }
