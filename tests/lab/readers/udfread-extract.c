/* udfread-extract IMAGE FOLDER.  Owns: copying all that libudfread sees of a volume into an empty folder.
 * Exit 0 only when the volume opens and every directory and file in it reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <udfread/udfread.h>

static int failures;

static void complain(const char *what, const char *path)
{
    fprintf(stderr, "%s: %s\n", path, what);
    failures++;
}

static void file(UDFDIR *directory, const char *name, const char *to)
{
    static char buffer[1 << 20];
    UDFFILE *from = udfread_file_openat(directory, name);
    FILE *out = fopen(to, "wb");
    int64_t size = from ? udfread_file_size(from) : -1, done = 0;
    ssize_t part;

    if (!from || !out) {
        complain("cannot be opened", to);
    } else {
        while ((part = udfread_file_read(from, buffer, sizeof buffer)) > 0) {
            fwrite(buffer, 1, (size_t)part, out);
            done += part;
        }
        if (done != size)
            complain("is cut short", to);
    }
    if (out)
        fclose(out);
    if (from)
        udfread_file_close(from);
}

static void folder(UDFDIR *directory, const char *to, int depth)
{
    struct udfread_dirent entry;

    if (depth > 200) {
        complain("goes on without end", to);
        return;
    }
    mkdir(to, 0755);
    while (udfread_readdir(directory, &entry)) {
        char *path;
        if (!strcmp(entry.d_name, ".") || !strcmp(entry.d_name, ".."))
            continue;
        path = malloc(strlen(to) + strlen(entry.d_name) + 2);
        sprintf(path, "%s/%s", to, entry.d_name);
        if (entry.d_type == UDF_DT_DIR) {
            UDFDIR *inner = udfread_opendir_at(directory, entry.d_name);
            if (inner) {
                folder(inner, path, depth + 1);
                udfread_closedir(inner);
            } else {
                complain("cannot be opened", path);
            }
        } else if (entry.d_type == UDF_DT_REG) {
            file(directory, entry.d_name, path);
        } else {
            complain("is of no known type", path);
        }
        free(path);
    }
}

int main(int count, char **words)
{
    udfread *volume = udfread_init();
    UDFDIR *root;

    if (count != 3 || !volume)
        return 2;
    if (udfread_open(volume, words[1]) < 0) {
        complain("does not open", words[1]);
        return 1;
    }
    printf("%s\n", udfread_get_volume_id(volume));
    root = udfread_opendir(volume, "/");
    if (root) {
        folder(root, words[2], 0);
        udfread_closedir(root);
    } else {
        complain("has no root", words[1]);
    }
    udfread_close(volume);
    return failures ? 1 : 0;
}
