/* peak COMMAND ARGS...: runs a command and says on stderr the most memory it held at once (resident, mapped files
 * included), as the kernel counted it. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct rusage used;
    int status = 1;
    if (argc < 2) {
        fprintf(stderr, "usage: peak COMMAND ARGS...\n");
        return 2;
    }
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || getrusage(RUSAGE_CHILDREN, &used) != 0) {
        perror("peak");
        return 1;
    }
    fprintf(stderr, "peak_bytes %lld\n", (long long)used.ru_maxrss * 1024);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
