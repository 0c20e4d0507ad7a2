package record

import "golang.org/x/sys/unix"

// placeOfFile returns which file lies at path. A copy of a file is created later than the file and cannot be
// given its time of creation; a file that is renamed or moved within its filesystem keeps it.
func placeOfFile(path string) (place, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return place{}, err
	}
	is := place{Inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		is.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return is, nil
}
