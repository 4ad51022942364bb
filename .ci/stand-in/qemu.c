/* Stands in for QEMU for Windows in trials under Wine, where that can't be had. It boots nothing; it
   meets netlab as QEMU does: `--version`, no WHPX, a pipe that is made only once the one before has
   its client (QEMU's chardev/char-pipe.c), and QMP. Then its guest's kernel panics. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static HANDLE served(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "\\\\.\\pipe\\%s", name);
    HANDLE pipe = CreateNamedPipeA(path, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE | PIPE_WAIT, 1, 4096,
                                   4096, 5000, NULL);
    if (pipe == INVALID_HANDLE_VALUE
        || (!ConnectNamedPipe(pipe, NULL) && GetLastError() != ERROR_PIPE_CONNECTED)) {
        fprintf(stderr, "pipe %s: error %lu\n", name, GetLastError());
        ExitProcess(1);
    }
    return pipe;
}

static void say(HANDLE pipe, const char *line)
{
    DWORD written;
    WriteFile(pipe, line, (DWORD)strlen(line), &written, NULL);
}

static void answer(HANDLE control, const char *command, const char *uuid)
{
    char line[256];
    printf("%s\n", command);
    fflush(stdout);
    if (strstr(command, "\"query-uuid\""))
        snprintf(line, sizeof line, "{\"return\": {\"UUID\": \"%s\"}}\r\n", uuid);
    else if (strstr(command, "info usernet"))
        snprintf(line, sizeof line,
                 "{\"return\": \"TCP[HOST_FORWARD] 8 127.0.0.1 40535 10.0.2.15 22 0 0\"}\r\n");
    else
        snprintf(line, sizeof line, "{\"return\": {}}\r\n");
    say(control, line);
}

int main(int count, char **words)
{
    const char *uuid = "", *console = "";
    HANDLE control = NULL;
    for (int place = 1; place < count; place++) {
        const char *word = words[place];
        const char *value = strstr(word, "path=");
        if (!strcmp(word, "--version")) {
            puts("QEMU emulator version 11.0.2 (a stand-in)");
            return 0;
        }
        if (!strncmp(word, "whpx", 4)) {
            fprintf(stderr, "WHPX: No accelerator found, hr=00000000\n");
            return 1;
        }
        if (!strcmp(words[place - 1], "-uuid"))
            uuid = word;
        if (!strncmp(word, "file,id=console", 15))
            console = value + 5;
        if (!strncmp(word, "pipe,id=boot", 12))
            served(value + 5);
        if (!strncmp(word, "pipe,id=control", 15))
            control = served(value + 5);
    }
    if (control) {
        char line[4096];
        DWORD length = 0, read;
        say(control, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
        while (length < sizeof line - 1 && ReadFile(control, line + length, 1, &read, NULL) && read) {
            if (line[length] != '\n') {
                length++;
                continue;
            }
            line[length] = 0;
            answer(control, line, uuid);
            length = 0;
        }
    }
    FILE *log = fopen(console, "w");
    fputs("Kernel panic - not syncing: the stand-in boots nothing\n", log);
    fclose(log);
    return 1;
}
