/* What the embedded starter model can do: its three narrow tasks, each shown with an example that is answered on the
 * spot. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/run.h"

static const struct {
    const char *task, *system, *user;
} examples[] = {
    {"classify a banking question into one of 77 intents", "Classify the banking question into one intent.",
     "My new card has not come yet."},
    {"name the intent of a request, one of 150", "Name the intent of this request.",
     "how do you say good morning in italian"},
    {"extract booking details as JSON", "Extract the booking details as JSON.",
     "A table for 4 at 7:30 pm tomorrow, please."},
};

int run_examples(const struct cli_model *m, const struct run_options *o)
{
    bool color = cli_color(STDOUT_FILENO);
    printf("The starter is a model of 5.8 million parameters for three narrow tasks. It cannot chat; what it does not\n"
           "know must climb. Its tasks, each named by its system prompt to the letter:\n");
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct chat_message messages[] = {{STR("system"), str_of(examples[i].system)},
                                          {STR("user"), str_of(examples[i].user)}};
        struct run_answer a;
        struct err err = ERR_INIT;
        if (!run_answer(m, o, messages, 2, false, &a, &err)) {
            run_answer_free(&a);
            return cli_fail(&err);
        }
        printf("\n%s:\n  rung run %s --system '%s' \\\n      '%s'\n  %s" STR_FMT "%s   (confidence %.3f, %.0f ms)\n",
               examples[i].task, o->name, examples[i].system, examples[i].user, color ? "\x1b[1m" : "",
               STR_ARG(buf_view(&a.text)),
               color ? "\x1b[0m" : "", run_confidence(&a), (double)a.usage.total_us / 1000);
        run_answer_free(&a);
    }
    printf("\nTo chat, give a path to a GGUF file of an instruct model: rung run ./qwen3-4b-q4_k_m.gguf\n");
    return EXIT_OK;
}
