package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/config"
	"inmail/connectors/record"
)

// The files of a backup, in their order. The record is copied before the sandbox: a CRM that is ahead of the
// record is never set back, and one that is behind would lack what the record believes to be there.
const (
	backupAbout   = "backup.json"
	backupKey     = "operator.key"
	backupSandbox = "sandbox.db"
)

var backupFiles = []string{backupAbout, record.FileName, backupKey, backupSandbox}

// backupFormat is the version of the archive.
const backupFormat = 1

// aboutBackup is backup.json.
type aboutBackup struct {
	Format  int       `json:"format"`
	Program string    `json:"program"`
	At      time.Time `json:"at"`
}

func backupCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the record, the operator key and the sandbox into one file, while a server runs",
		Long: `Copy the record, the operator key and the sandbox of the data folder into one file, while a server runs.

The record is one consistent state, and is checked before it is kept. FILE is a tar archive with gzip that only
this user can read; it holds a key and all that members wrote. There must be as much room beside it as the record
takes. With - it goes to the standard output, by way of the data folder. inmail restore puts it back.

A record in PostgreSQL is backed up by PostgreSQL: pg_dump --format=custom --file=FILE "$INMAIL_DATABASE_URL"`,
		Example: "  inmail backup /backup/inmail-$(date +%F).tar.gz --data ./data\n" +
			"  docker exec inmail /inmail backup - > inmail.tar.gz",
		Args:    exactly(1),
		GroupID: operatorGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := o.embeddedRecord("back it up by: pg_dump --format=custom --file=" + args[0] +
				` "$INMAIL_DATABASE_URL"; keep the operator key of the settings (INMAIL_OPERATOR_KEY) with it`)
			if err != nil {
				return err
			}
			if args[0] == standardStream {
				return streamBackup(cmd.Context(), s.Record, cmd.OutOrStdout())
			}
			size, err := writeBackup(cmd.Context(), s.Record, args[0])
			if err != nil {
				return fmt.Errorf("backup: %w", err)
			}
			return o.print(cmd.OutOrStdout(), map[string]any{"file": args[0], "bytes": size},
				fmt.Sprintf("%s, %d bytes; inmail restore puts it back\n", args[0], size))
		},
	}
	o.settingFlag(cmd, "data", "data", "data folder (./data)")
	return cmd
}

// embeddedRecord returns the settings in force; for a record in PostgreSQL it is an error, with a remedy.
func (o *options) embeddedRecord(remedy string) (config.Settings, error) {
	s, err := o.load()
	if err == nil && s.Record.Postgres() {
		err = usageError{fmt.Errorf("the record is in PostgreSQL at %s; %s", s.Record.Masked(), remedy)}
	}
	return s, err
}

// standardStream in the place of a file's name is the standard output of a backup, and the standard input of
// a restore: of a program in a container that has no other way out.
const standardStream = "-"

// streamBackup writes the archive to out. It is made whole and checked before its first byte is written.
func streamBackup(ctx context.Context, cfg record.Config, out io.Writer) error {
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		return usageError{errors.New("the backup is no text; redirect it into a file: inmail backup - > inmail.tar.gz")}
	}
	folder, err := os.MkdirTemp(cfg.Data, ".inmail-backup-*")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "inmail.tar.gz")
	if _, err := writeBackup(ctx, cfg, file); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	in, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer in.Close()
	_, err = io.Copy(out, in)
	return err
}

// writeBackup writes the archive under another name and gives it its own when it is whole.
func writeBackup(ctx context.Context, cfg record.Config, file string) (size int64, err error) {
	if _, err := os.Lstat(file); err == nil {
		return 0, fmt.Errorf("%s is there already; name another file, or remove it", file)
	}
	folder, err := os.MkdirTemp(filepath.Dir(file), ".inmail-backup-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	about := aboutBackup{Format: backupFormat, Program: version(), At: time.Now().UTC().Truncate(time.Second)}
	text, err := json.Marshal(about)
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(folder, backupAbout), text, 0o600); err != nil {
		return 0, err
	}
	if err := record.CopyFile(ctx, cfg.File(), filepath.Join(folder, record.FileName)); err != nil {
		return 0, err
	}
	if err := record.CheckFile(ctx, filepath.Join(folder, record.FileName)); err != nil {
		return 0, err
	}
	key, err := os.ReadFile(filepath.Join(cfg.Data, backupKey))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, backupKey), key, 0o600)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // the key is in the settings
		return 0, err
	}
	sandbox := filepath.Join(cfg.Data, backupSandbox)
	if _, err := os.Stat(sandbox); err == nil {
		if err := record.CopyFile(ctx, sandbox, filepath.Join(folder, backupSandbox)); err != nil {
			return 0, err
		}
	}
	whole := filepath.Join(folder, "archive")
	if size, err = packFiles(whole, folder); err != nil {
		return 0, err
	}
	if err := os.Rename(whole, file); err != nil {
		return 0, err
	}
	return size, syncFolder(filepath.Dir(file))
}

// packFiles writes those of backupFiles that are in folder into an archive, and returns its size.
func packFiles(archive, folder string) (size int64, err error) {
	out, err := os.OpenFile(archive, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zip, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return 0, err
	}
	pack := tar.NewWriter(zip)
	for _, name := range backupFiles {
		err := packFile(pack, folder, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	if err := errors.Join(pack.Close(), zip.Close(), out.Sync()); err != nil {
		return 0, err
	}
	info, err := out.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func packFile(pack *tar.Writer, folder, name string) error {
	in, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := pack.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = io.Copy(pack, in)
	return err
}

// syncFolder brings the names in a folder onto the disk.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func restoreCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup into an empty data folder",
		Long: `Put a backup of inmail backup into a data folder that has no record yet, with its operator key and its
sandbox. With - the backup is read from the standard input.

The server that is started on it next is held: it reads, and sends nothing, until inmail resume --after-restore.
What the original sent since the backup is then not sent a second time.

A record in PostgreSQL is restored by PostgreSQL, into an empty database:
pg_restore --no-owner --exit-on-error --dbname="$INMAIL_DATABASE_URL" FILE`,
		Example: "  inmail restore /backup/inmail-2026-11-30.tar.gz --data ./data",
		Args:    exactly(1),
		GroupID: operatorGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := o.embeddedRecord(`restore it by: pg_restore --no-owner --exit-on-error ` +
				`--dbname="$INMAIL_DATABASE_URL" ` + args[0] + `; the operator key is that of the settings`)
			if err != nil {
				return err
			}
			in := cmd.InOrStdin()
			if args[0] != standardStream {
				file, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("restore: %w", err)
				}
				defer file.Close()
				in = file
			}
			about, err := readBackup(cmd.Context(), s.Record, args[0], in)
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			return o.print(cmd.OutOrStdout(), about, fmt.Sprintf("restored the record of %s into %s; the server that "+
				"starts on it is held until inmail resume --after-restore\n", about.At.Format(time.RFC3339), s.Record.Data))
		},
	}
	o.settingFlag(cmd, "data", "data", "data folder (./data)")
	return cmd
}

// readBackup unpacks an archive beside the data folder's files, checks what it unpacked, and gives the files
// their names, the record's last.
func readBackup(ctx context.Context, cfg record.Config, file string, in io.Reader) (about aboutBackup, err error) {
	locked := &app{}
	locked.settings.Record = cfg
	if err := locked.openData(); err != nil {
		return about, err
	}
	defer func() { err = errors.Join(err, locked.Stop(ctx)) }()
	for _, name := range backupFiles[1:] {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if _, err := os.Lstat(filepath.Join(cfg.Data, name+suffix)); err == nil {
				return about, fmt.Errorf("%s has a %s already; move it away, or name another folder (--data)",
					cfg.Data, name+suffix)
			}
		}
	}
	folder, err := os.MkdirTemp(cfg.Data, ".restore-*")
	if err != nil {
		return about, err
	}
	defer os.RemoveAll(folder)
	names, err := unpackFiles(in, folder)
	if err != nil {
		return about, fmt.Errorf("%s is no backup of inmail backup, or is damaged: %w", file, err)
	}
	text, err := os.ReadFile(filepath.Join(folder, backupAbout))
	if err == nil {
		err = json.Unmarshal(text, &about)
	}
	if err != nil || about.Format != backupFormat || !slices.Contains(names, record.FileName) {
		return about, fmt.Errorf("%s is no backup of inmail backup of format %d (%v)", file, backupFormat, err)
	}
	if err := record.CheckFile(ctx, filepath.Join(folder, record.FileName)); err != nil {
		return about, err
	}
	for _, name := range []string{backupKey, backupSandbox, record.FileName} {
		if !slices.Contains(names, name) {
			continue
		}
		if err := os.Rename(filepath.Join(folder, name), filepath.Join(cfg.Data, name)); err != nil {
			return about, err
		}
	}
	return about, syncFolder(cfg.Data)
}

// unpackFiles unpacks an archive into folder and returns the names of its files.
func unpackFiles(in io.Reader, folder string) (names []string, err error) {
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	pack := tar.NewReader(zip)
	for {
		header, err := pack.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(backupFiles, header.Name) || header.Typeflag != tar.TypeReg || slices.Contains(names, header.Name) {
			return nil, fmt.Errorf("it holds more than the files %s", strings.Join(backupFiles, ", "))
		}
		names = append(names, header.Name)
		if err := unpackFile(pack, filepath.Join(folder, header.Name)); err != nil {
			return nil, err
		}
	}
	_, err = io.Copy(io.Discard, zip) // to the check sum at its end
	return names, err
}

func unpackFile(pack io.Reader, path string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, pack)
	return errors.Join(err, out.Sync(), out.Close())
}
