/* The table of cues and how a cue is looked for. Which texts are searched and what the weights decide is kind.c's. */
#include "gateway/policy/cues.h"

const struct cue kind_cues[] = {
    /* classify: one label out of a closed set */
    {"classify*", KIND_CLASSIFY, 8}, {"categorize*", KIND_CLASSIFY, 7}, {"categorise*", KIND_CLASSIFY, 7},
    {"classification", KIND_CLASSIFY, 6}, {"sentiment", KIND_CLASSIFY, 6},
    {"which category", KIND_CLASSIFY, 8}, {"category", KIND_CLASSIFY, 3}, {"categories", KIND_CLASSIFY, 3},
    {"label", KIND_CLASSIFY, 4}, {"labels", KIND_CLASSIFY, 4}, {"positive negative", KIND_CLASSIFY, 6},
    {"positive or negative", KIND_CLASSIFY, 7}, {"is this spam", KIND_CLASSIFY, 7},
    {"spam or", KIND_CLASSIFY, 7}, {"spam", KIND_CLASSIFY, 3}, {"toxic", KIND_CLASSIFY, 4},
    {"true or false", KIND_CLASSIFY, 5}, {"yes or no", KIND_CLASSIFY, 4},
    {"one of the following", KIND_CLASSIFY, 4}, {"one of these", KIND_CLASSIFY, 4},
    {"exactly one of", KIND_CLASSIFY, 5}, {"tag this", KIND_CLASSIFY, 5}, {"tag each", KIND_CLASSIFY, 5},
    {"into one intent", KIND_CLASSIFY, 8}, {"intent", KIND_CLASSIFY, 2}, {"what topic", KIND_CLASSIFY, 4},
    {"is this review", KIND_CLASSIFY, 5}, {"is this message", KIND_CLASSIFY, 4},
    {"is this email", KIND_CLASSIFY, 4}, {"is this a", KIND_CLASSIFY, 3},
    {"detect whether", KIND_CLASSIFY, 5}, {"decide whether", KIND_CLASSIFY, 5},
    {"decide if", KIND_CLASSIFY, 4}, {"rate the", KIND_CLASSIFY, 3}, {"flag", KIND_CLASSIFY, 2},
    {"which language is", KIND_CLASSIFY, 4}, {"answer with one word", KIND_CLASSIFY, 3},
    {"reply with one of", KIND_CLASSIFY, 5}, {"reply only with", KIND_CLASSIFY, 2},
    {"low medium high", KIND_CLASSIFY, 4}, {"low medium or high", KIND_CLASSIFY, 4},
    {"stance", KIND_CLASSIFY, 4},
    /* extract: values out of a given text */
    {"extract*", KIND_EXTRACT, 8}, {"as json", KIND_EXTRACT, 5}, {"return json", KIND_EXTRACT, 5},
    {"json with", KIND_EXTRACT, 4}, {"json object", KIND_EXTRACT, 4}, {"json", KIND_EXTRACT, 2},
    {"fields", KIND_EXTRACT, 3}, {"pull out", KIND_EXTRACT, 6}, {"pull the", KIND_EXTRACT, 5},
    {"parse", KIND_EXTRACT, 3}, {"entities", KIND_EXTRACT, 5}, {"list all", KIND_EXTRACT, 3},
    {"list every", KIND_EXTRACT, 4}, {"find all", KIND_EXTRACT, 4}, {"find every", KIND_EXTRACT, 4},
    {"mentioned in", KIND_EXTRACT, 3}, {"get the", KIND_EXTRACT, 2}, {"key value", KIND_EXTRACT, 4},
    {"invoice number", KIND_EXTRACT, 3}, {"into a table", KIND_EXTRACT, 4}, {"identify all", KIND_EXTRACT, 4},
    {"order number", KIND_EXTRACT, 1}, {"booking details", KIND_EXTRACT, 5},
    {"phone numbers", KIND_EXTRACT, 3}, {"email addresses", KIND_EXTRACT, 3}, {"names and", KIND_EXTRACT, 2},
    {"fill these fields", KIND_EXTRACT, 5}, {"key fields", KIND_EXTRACT, 4}, {"as csv", KIND_EXTRACT, 4},
    {"slots", KIND_EXTRACT, 3},
    /* summarize */
    {"summarize*", KIND_SUMMARIZE, 9}, {"summarise*", KIND_SUMMARIZE, 9}, {"summary", KIND_SUMMARIZE, 7},
    {"tl dr", KIND_SUMMARIZE, 8}, {"tldr", KIND_SUMMARIZE, 8}, {"key points", KIND_SUMMARIZE, 6},
    {"main points", KIND_SUMMARIZE, 6}, {"takeaways", KIND_SUMMARIZE, 6}, {"condense", KIND_SUMMARIZE, 6},
    {"recap", KIND_SUMMARIZE, 6}, {"gist", KIND_SUMMARIZE, 6}, {"in one sentence", KIND_SUMMARIZE, 3},
    {"in two sentences", KIND_SUMMARIZE, 3}, {"bullet points", KIND_SUMMARIZE, 3},
    {"three bullets", KIND_SUMMARIZE, 4}, {"boil", KIND_SUMMARIZE, 5}, {"digest", KIND_SUMMARIZE, 4},
    {"executive overview", KIND_SUMMARIZE, 5}, {"the short version", KIND_SUMMARIZE, 6},
    {"main idea", KIND_SUMMARIZE, 5}, {"abstract", KIND_SUMMARIZE, 2},
    {"what was decided", KIND_SUMMARIZE, 4}, {"minutes", KIND_SUMMARIZE, 1},
    {"catch me up", KIND_SUMMARIZE, 6}, {"key findings", KIND_SUMMARIZE, 4},
    {"in a nutshell", KIND_SUMMARIZE, 5},
    /* route: who or what should handle it */
    {"name the intent of this request", KIND_ROUTE, 12}, {"route this", KIND_ROUTE, 9},
    {"route the", KIND_ROUTE, 8}, {"route it", KIND_ROUTE, 8}, {"router", KIND_ROUTE, 6},
    {"routing", KIND_ROUTE, 5}, {"which department", KIND_ROUTE, 9}, {"which team", KIND_ROUTE, 9},
    {"which queue", KIND_ROUTE, 9}, {"which agent", KIND_ROUTE, 8}, {"which tool", KIND_ROUTE, 7},
    {"which handler", KIND_ROUTE, 9}, {"which skill", KIND_ROUTE, 8}, {"which desk", KIND_ROUTE, 9},
    {"which office", KIND_ROUTE, 8}, {"which specialist", KIND_ROUTE, 8}, {"right team", KIND_ROUTE, 8},
    {"right department", KIND_ROUTE, 8}, {"right queue", KIND_ROUTE, 8}, {"triage", KIND_ROUTE, 6},
    {"dispatch*", KIND_ROUTE, 6}, {"forward this", KIND_ROUTE, 6}, {"forward to", KIND_ROUTE, 5},
    {"should handle", KIND_ROUTE, 8}, {"who handles", KIND_ROUTE, 7}, {"should this go", KIND_ROUTE, 8},
    {"assign this ticket", KIND_ROUTE, 8}, {"assign the ticket", KIND_ROUTE, 8}, {"assign to", KIND_ROUTE, 4},
    {"send this to", KIND_ROUTE, 3}, {"queues", KIND_ROUTE, 5}, {"departments", KIND_ROUTE, 5},
    {"hand this to", KIND_ROUTE, 5}, {"pick the agent", KIND_ROUTE, 8}, {"choose the agent", KIND_ROUTE, 8},
    {"choose the tool", KIND_ROUTE, 6}, {"belongs to", KIND_ROUTE, 2},
    {"where does this ticket", KIND_ROUTE, 8}, {"switchboard", KIND_ROUTE, 7},
    /* rewrite: the same content in other words */
    {"rewrite*", KIND_REWRITE, 8}, {"rephrase*", KIND_REWRITE, 8}, {"paraphrase*", KIND_REWRITE, 8},
    {"reword*", KIND_REWRITE, 8}, {"proofread*", KIND_REWRITE, 8}, {"translate*", KIND_REWRITE, 8},
    {"translation", KIND_REWRITE, 4}, {"grammar", KIND_REWRITE, 6}, {"spelling", KIND_REWRITE, 5},
    {"polish this", KIND_REWRITE, 6}, {"polish", KIND_REWRITE, 3}, {"more formal", KIND_REWRITE, 6},
    {"more professional", KIND_REWRITE, 6}, {"more concise", KIND_REWRITE, 6},
    {"more polite", KIND_REWRITE, 6}, {"friendlier", KIND_REWRITE, 6}, {"make this sound", KIND_REWRITE, 7},
    {"make it sound", KIND_REWRITE, 7}, {"sound more", KIND_REWRITE, 6}, {"sound less", KIND_REWRITE, 6},
    {"make this", KIND_REWRITE, 3}, {"shorten this", KIND_REWRITE, 5}, {"simplify", KIND_REWRITE, 5},
    {"plain english", KIND_REWRITE, 5}, {"tone", KIND_REWRITE, 3}, {"in the style of", KIND_REWRITE, 2},
    {"edit this", KIND_REWRITE, 5}, {"improve this", KIND_REWRITE, 4},
    {"improve the wording", KIND_REWRITE, 6}, {"clean up this", KIND_REWRITE, 4},
    {"turn this into", KIND_REWRITE, 4}, {"passive voice", KIND_REWRITE, 5},
    {"active voice", KIND_REWRITE, 5}, {"same meaning", KIND_REWRITE, 5}, {"tidy up", KIND_REWRITE, 4},
    /* qa: a question with an answer, from the text given or from memory */
    {"according to", KIND_QA, 5}, {"based on the", KIND_QA, 4}, {"based on this", KIND_QA, 4},
    {"based only on", KIND_QA, 6}, {"context", KIND_QA, 3}, {"passage", KIND_QA, 4},
    {"answer the question", KIND_QA, 7}, {"answer from", KIND_QA, 5}, {"using the document", KIND_QA, 6},
    {"using only the", KIND_QA, 5}, {"from the text", KIND_QA, 4}, {"question", KIND_QA, 3},
    {"^what", KIND_QA, 3}, {"^who", KIND_QA, 4}, {"^when", KIND_QA, 4}, {"^where", KIND_QA, 4},
    {"^which", KIND_QA, 3}, {"^why", KIND_QA, 3}, {"^how", KIND_QA, 3}, {"^is", KIND_QA, 3},
    {"^are", KIND_QA, 3}, {"^does", KIND_QA, 3}, {"^do", KIND_QA, 2}, {"^did", KIND_QA, 3},
    {"^can", KIND_QA, 2}, {"^was", KIND_QA, 3}, {"^in what year", KIND_QA, 5}, {"how many", KIND_QA, 2},
    {"how much", KIND_QA, 2}, {"what is the difference", KIND_QA, 4}, {"what's", KIND_QA, 2},
    {"do you know", KIND_QA, 2}, {"faq", KIND_QA, 3}, {"knowledge base", KIND_QA, 4}, {"excerpt", KIND_QA, 3},
    /* code */
    {"function", KIND_CODE, 4}, {"python", KIND_CODE, 5}, {"javascript", KIND_CODE, 5},
    {"typescript", KIND_CODE, 5}, {"java", KIND_CODE, 4}, {"golang", KIND_CODE, 5}, {"in go", KIND_CODE, 3},
    {"rust", KIND_CODE, 4}, {"sql", KIND_CODE, 5}, {"sql query", KIND_CODE, 3}, {"regex", KIND_CODE, 5},
    {"regular expression", KIND_CODE, 5}, {"bash", KIND_CODE, 4}, {"shell script", KIND_CODE, 5},
    {"script", KIND_CODE, 2}, {"code", KIND_CODE, 4}, {"codebase", KIND_CODE, 6}, {"refactor*", KIND_CODE, 6},
    {"debug", KIND_CODE, 5}, {"bug", KIND_CODE, 3}, {"compile*", KIND_CODE, 4}, {"unit test", KIND_CODE, 5},
    {"unit tests", KIND_CODE, 5}, {"pytest", KIND_CODE, 5}, {"implement", KIND_CODE, 3},
    {"stack trace", KIND_CODE, 5}, {"traceback", KIND_CODE, 5}, {"exception", KIND_CODE, 3},
    {"segfault", KIND_CODE, 5}, {"segmentation fault", KIND_CODE, 5}, {"class", KIND_CODE, 1},
    {"api endpoint", KIND_CODE, 5}, {"endpoint", KIND_CODE, 3}, {"dockerfile", KIND_CODE, 5},
    {"docker", KIND_CODE, 3}, {"kubernetes", KIND_CODE, 3}, {"makefile", KIND_CODE, 5}, {"git", KIND_CODE, 3},
    {"repo", KIND_CODE, 4}, {"repository", KIND_CODE, 4}, {"react", KIND_CODE, 3}, {"css", KIND_CODE, 4},
    {"html", KIND_CODE, 3}, {"algorithm", KIND_CODE, 3}, {"def", KIND_CODE, 3}, {"npm", KIND_CODE, 4},
    {"pandas", KIND_CODE, 4}, {"postgres*", KIND_CODE, 4}, {"typeerror", KIND_CODE, 6},
    {"null pointer", KIND_CODE, 5}, {"c program", KIND_CODE, 5}, {"leetcode", KIND_CODE, 6},
    {"pull request", KIND_CODE, 3}, {"terraform", KIND_CODE, 4}, {"yaml", KIND_CODE, 2}, {"jq", KIND_CODE, 4},
    {"awk", KIND_CODE, 4},
    /* complete: go on from where the text stops */
    {"complete the", KIND_COMPLETE, 7}, {"complete this", KIND_COMPLETE, 8},
    {"continue the", KIND_COMPLETE, 7}, {"continue this", KIND_COMPLETE, 8},
    {"continue from", KIND_COMPLETE, 7}, {"continue writing", KIND_COMPLETE, 8},
    {"finish the", KIND_COMPLETE, 6}, {"finish this", KIND_COMPLETE, 7}, {"finish my", KIND_COMPLETE, 7},
    {"fill in", KIND_COMPLETE, 6}, {"fill the blank", KIND_COMPLETE, 8}, {"autocomplete", KIND_COMPLETE, 9},
    {"next word", KIND_COMPLETE, 8}, {"next sentence", KIND_COMPLETE, 7}, {"next line", KIND_COMPLETE, 6},
    {"complete my", KIND_COMPLETE, 7}, {"predict the next", KIND_COMPLETE, 8},
    {"pick up where", KIND_COMPLETE, 7}, {"keep going", KIND_COMPLETE, 5},
    {"what comes next", KIND_COMPLETE, 6}, {"missing word", KIND_COMPLETE, 8}, {"blank", KIND_COMPLETE, 2},
    {"once upon a time", KIND_COMPLETE, 3}, {"continue", KIND_COMPLETE, 3}, {"completion", KIND_COMPLETE, 4},
    /* open_ended: many good answers */
    {"write a", KIND_OPEN_ENDED, 4}, {"write an", KIND_OPEN_ENDED, 4}, {"write me", KIND_OPEN_ENDED, 4},
    {"poem", KIND_OPEN_ENDED, 5}, {"story", KIND_OPEN_ENDED, 3}, {"essay", KIND_OPEN_ENDED, 4},
    {"blog post", KIND_OPEN_ENDED, 4}, {"brainstorm*", KIND_OPEN_ENDED, 7}, {"ideas", KIND_OPEN_ENDED, 5},
    {"suggest*", KIND_OPEN_ENDED, 4}, {"recommend*", KIND_OPEN_ENDED, 4}, {"advice", KIND_OPEN_ENDED, 5},
    {"what do you think", KIND_OPEN_ENDED, 6}, {"your opinion", KIND_OPEN_ENDED, 6},
    {"imagine", KIND_OPEN_ENDED, 5}, {"plan a", KIND_OPEN_ENDED, 5}, {"plan my", KIND_OPEN_ENDED, 5},
    {"help me plan", KIND_OPEN_ENDED, 6}, {"help me", KIND_OPEN_ENDED, 3},
    {"how should i", KIND_OPEN_ENDED, 5}, {"should i", KIND_OPEN_ENDED, 4}, {"draft", KIND_OPEN_ENDED, 4},
    {"compose", KIND_OPEN_ENDED, 4}, {"come up with", KIND_OPEN_ENDED, 6},
    {"pros and cons", KIND_OPEN_ENDED, 5}, {"discuss", KIND_OPEN_ENDED, 5}, {"let's", KIND_OPEN_ENDED, 3},
    {"tell me about", KIND_OPEN_ENDED, 4}, {"role play", KIND_OPEN_ENDED, 6}, {"pretend", KIND_OPEN_ENDED, 5},
    {"act as", KIND_OPEN_ENDED, 3}, {"debate", KIND_OPEN_ENDED, 5}, {"song", KIND_OPEN_ENDED, 4},
    {"slogan", KIND_OPEN_ENDED, 5}, {"slogans", KIND_OPEN_ENDED, 5}, {"names for", KIND_OPEN_ENDED, 5},
    {"joke", KIND_OPEN_ENDED, 5}, {"itinerary", KIND_OPEN_ENDED, 5}, {"strategy", KIND_OPEN_ENDED, 3},
    {"what would", KIND_OPEN_ENDED, 2}, {"give me some", KIND_OPEN_ENDED, 3}, {"i feel", KIND_OPEN_ENDED, 4},
    {"haiku", KIND_OPEN_ENDED, 5}, {"speech", KIND_OPEN_ENDED, 3}, {"how do i deal", KIND_OPEN_ENDED, 5},
    {"chat", KIND_OPEN_ENDED, 2},
    {NULL, 0, 0},
};

const struct cue trait_cues[] = {
    {"step by step", TRAIT_REASONING, 6}, {"prove", TRAIT_REASONING, 6}, {"proof", TRAIT_REASONING, 5},
    {"derive", TRAIT_REASONING, 5}, {"solve", TRAIT_REASONING, 5}, {"puzzle", TRAIT_REASONING, 6},
    {"riddle", TRAIT_REASONING, 5}, {"integral", TRAIT_REASONING, 6}, {"theorem", TRAIT_REASONING, 6},
    {"probability", TRAIT_REASONING, 5}, {"equation", TRAIT_REASONING, 4}, {"calculate", TRAIT_REASONING, 4},
    {"how many", TRAIT_REASONING, 2}, {"how much", TRAIT_REASONING, 2}, {"how long will", TRAIT_REASONING, 3},
    {"average speed", TRAIT_REASONING, 5}, {"optimal", TRAIT_REASONING, 5}, {"work out", TRAIT_REASONING, 4},
    {"logically", TRAIT_REASONING, 5}, {"reason through", TRAIT_REASONING, 6},
    {"think carefully", TRAIT_REASONING, 5}, {"show your work", TRAIT_REASONING, 6},
    {"show your reasoning", TRAIT_REASONING, 6}, {"if all", TRAIT_REASONING, 3},
    {"trade offs", TRAIT_REASONING, 4}, {"root cause", TRAIT_REASONING, 4},
    {"contradiction", TRAIT_REASONING, 5}, {"constraints", TRAIT_REASONING, 3},
    {"worst case", TRAIT_REASONING, 4}, {"complexity", TRAIT_REASONING, 3}, {"deduce", TRAIT_REASONING, 5},
    {"compute", TRAIT_REASONING, 3}, {"minimum number", TRAIT_REASONING, 5}, {"percent", TRAIT_REASONING, 1},
    {"each", TRAIT_REASONING, 1}, {"total", TRAIT_REASONING, 1}, {"liars", TRAIT_REASONING, 4},
    {"knights and knaves", TRAIT_REASONING, 6}, {"compound interest", TRAIT_REASONING, 4},

    {"codebase", TRAIT_LARGE_CODEBASE, 6}, {"code base", TRAIT_LARGE_CODEBASE, 6},
    {"monorepo", TRAIT_LARGE_CODEBASE, 7}, {"entire repository", TRAIT_LARGE_CODEBASE, 7},
    {"whole repository", TRAIT_LARGE_CODEBASE, 7}, {"whole repo", TRAIT_LARGE_CODEBASE, 7},
    {"entire repo", TRAIT_LARGE_CODEBASE, 7}, {"our repo", TRAIT_LARGE_CODEBASE, 5},
    {"our repository", TRAIT_LARGE_CODEBASE, 5}, {"across the repo*", TRAIT_LARGE_CODEBASE, 6},
    {"across all files", TRAIT_LARGE_CODEBASE, 6}, {"across files", TRAIT_LARGE_CODEBASE, 5},
    {"across the project", TRAIT_LARGE_CODEBASE, 5}, {"all services", TRAIT_LARGE_CODEBASE, 4},
    {"all the services", TRAIT_LARGE_CODEBASE, 4}, {"lines of code", TRAIT_LARGE_CODEBASE, 5},
    {"modules", TRAIT_LARGE_CODEBASE, 3}, {"microservices", TRAIT_LARGE_CODEBASE, 4},
    {"legacy", TRAIT_LARGE_CODEBASE, 2}, {"migrate", TRAIT_LARGE_CODEBASE, 3},
    {"files", TRAIT_LARGE_CODEBASE, 2}, {"000 lines", TRAIT_LARGE_CODEBASE, 5},

    {"who won", TRAIT_WORLD_KNOWLEDGE, 6}, {"who was", TRAIT_WORLD_KNOWLEDGE, 5},
    {"who is the", TRAIT_WORLD_KNOWLEDGE, 4}, {"who wrote", TRAIT_WORLD_KNOWLEDGE, 6},
    {"who invented", TRAIT_WORLD_KNOWLEDGE, 6}, {"who discovered", TRAIT_WORLD_KNOWLEDGE, 6},
    {"who directed", TRAIT_WORLD_KNOWLEDGE, 6}, {"who painted", TRAIT_WORLD_KNOWLEDGE, 6},
    {"who composed", TRAIT_WORLD_KNOWLEDGE, 6}, {"who founded", TRAIT_WORLD_KNOWLEDGE, 6},
    {"what year", TRAIT_WORLD_KNOWLEDGE, 5}, {"which year", TRAIT_WORLD_KNOWLEDGE, 5},
    {"capital of", TRAIT_WORLD_KNOWLEDGE, 5}, {"population of", TRAIT_WORLD_KNOWLEDGE, 5},
    {"history of", TRAIT_WORLD_KNOWLEDGE, 4}, {"when did", TRAIT_WORLD_KNOWLEDGE, 4},
    {"when was", TRAIT_WORLD_KNOWLEDGE, 4}, {"where was", TRAIT_WORLD_KNOWLEDGE, 4},
    {"century", TRAIT_WORLD_KNOWLEDGE, 3}, {"treaty", TRAIT_WORLD_KNOWLEDGE, 4},
    {"battle of", TRAIT_WORLD_KNOWLEDGE, 4}, {"president", TRAIT_WORLD_KNOWLEDGE, 3},
    {"king", TRAIT_WORLD_KNOWLEDGE, 2}, {"emperor", TRAIT_WORLD_KNOWLEDGE, 4},
    {"nobel", TRAIT_WORLD_KNOWLEDGE, 5}, {"world cup", TRAIT_WORLD_KNOWLEDGE, 5},
    {"olympic*", TRAIT_WORLD_KNOWLEDGE, 4}, {"novel", TRAIT_WORLD_KNOWLEDGE, 2},
    {"river", TRAIT_WORLD_KNOWLEDGE, 2}, {"tallest", TRAIT_WORLD_KNOWLEDGE, 4},
    {"largest", TRAIT_WORLD_KNOWLEDGE, 2}, {"longest", TRAIT_WORLD_KNOWLEDGE, 2},
    {"chemical", TRAIT_WORLD_KNOWLEDGE, 2}, {"born", TRAIT_WORLD_KNOWLEDGE, 2},
    {"founded", TRAIT_WORLD_KNOWLEDGE, 3}, {"elevation", TRAIT_WORLD_KNOWLEDGE, 4},
    {"dynasty", TRAIT_WORLD_KNOWLEDGE, 5}, {"film", TRAIT_WORLD_KNOWLEDGE, 1},
    {"album", TRAIT_WORLD_KNOWLEDGE, 3}, {"tell me about the", TRAIT_WORLD_KNOWLEDGE, 2},

    {"translate*", TRAIT_LANGUAGE, 3}, {"translation", TRAIT_LANGUAGE, 3}, {"reply in", TRAIT_LANGUAGE, 3},
    {"respond in", TRAIT_LANGUAGE, 3}, {"answer in", TRAIT_LANGUAGE, 3}, {"write in", TRAIT_LANGUAGE, 3},
    {"into", TRAIT_LANGUAGE, 1}, {"speak", TRAIT_LANGUAGE, 2}, {"french", TRAIT_LANGUAGE, 3},
    {"german", TRAIT_LANGUAGE, 3}, {"spanish", TRAIT_LANGUAGE, 3}, {"italian", TRAIT_LANGUAGE, 3},
    {"portuguese", TRAIT_LANGUAGE, 3}, {"japanese", TRAIT_LANGUAGE, 3}, {"korean", TRAIT_LANGUAGE, 3},
    {"russian", TRAIT_LANGUAGE, 3}, {"arabic", TRAIT_LANGUAGE, 3}, {"hindi", TRAIT_LANGUAGE, 3},
    {"polish", TRAIT_LANGUAGE, 3}, {"dutch", TRAIT_LANGUAGE, 3}, {"turkish", TRAIT_LANGUAGE, 3},
    {"swedish", TRAIT_LANGUAGE, 3}, {"ukrainian", TRAIT_LANGUAGE, 3}, {"vietnamese", TRAIT_LANGUAGE, 3},
    {"thai", TRAIT_LANGUAGE, 3}, {"greek", TRAIT_LANGUAGE, 3}, {"hebrew", TRAIT_LANGUAGE, 3},
    {"finnish", TRAIT_LANGUAGE, 3}, {"czech", TRAIT_LANGUAGE, 3}, {"hungarian", TRAIT_LANGUAGE, 3},
    {"romanian", TRAIT_LANGUAGE, 3}, {"indonesian", TRAIT_LANGUAGE, 3},

    {"use the tools", TRAIT_MULTI_TOOL, 6}, {"using the tools", TRAIT_MULTI_TOOL, 6},
    {"these tools", TRAIT_MULTI_TOOL, 5}, {"available tools", TRAIT_MULTI_TOOL, 5},
    {"search the web", TRAIT_MULTI_TOOL, 4}, {"then email", TRAIT_MULTI_TOOL, 5},
    {"and email", TRAIT_MULTI_TOOL, 3}, {"then book", TRAIT_MULTI_TOOL, 5},
    {"then post", TRAIT_MULTI_TOOL, 4}, {"then send", TRAIT_MULTI_TOOL, 4},
    {"then create", TRAIT_MULTI_TOOL, 3}, {"then update", TRAIT_MULTI_TOOL, 3},
    {"then add", TRAIT_MULTI_TOOL, 3}, {"my calendar", TRAIT_MULTI_TOOL, 3}, {"look up", TRAIT_MULTI_TOOL, 2},
    {"open a ticket", TRAIT_MULTI_TOOL, 3}, {"in slack", TRAIT_MULTI_TOOL, 3},
    {"on slack", TRAIT_MULTI_TOOL, 3}, {"to slack", TRAIT_MULTI_TOOL, 3}, {"the crm", TRAIT_MULTI_TOOL, 3},
    {"call the api", TRAIT_MULTI_TOOL, 4}, {"browse", TRAIT_MULTI_TOOL, 2},

    {"one question at a time", TRAIT_INTERACTIVE, 7}, {"wait for my", TRAIT_INTERACTIVE, 7},
    {"let's play", TRAIT_INTERACTIVE, 7}, {"role play", TRAIT_INTERACTIVE, 7},
    {"roleplay", TRAIT_INTERACTIVE, 7}, {"interview me", TRAIT_INTERACTIVE, 7},
    {"quiz me", TRAIT_INTERACTIVE, 7}, {"ask me", TRAIT_INTERACTIVE, 5},
    {"be my tutor", TRAIT_INTERACTIVE, 7}, {"tutor me", TRAIT_INTERACTIVE, 7},
    {"act as my", TRAIT_INTERACTIVE, 5}, {"pretend you", TRAIT_INTERACTIVE, 5},
    {"pretend to be", TRAIT_INTERACTIVE, 5}, {"you are the dungeon master", TRAIT_INTERACTIVE, 7},
    {"text adventure", TRAIT_INTERACTIVE, 7}, {"practice conversation", TRAIT_INTERACTIVE, 6},
    {"mock interview", TRAIT_INTERACTIVE, 7}, {"walk me through", TRAIT_INTERACTIVE, 3},
    {"back and forth", TRAIT_INTERACTIVE, 5}, {"i'll answer", TRAIT_INTERACTIVE, 6},
    {"my turn", TRAIT_INTERACTIVE, 4}, {"as we go", TRAIT_INTERACTIVE, 4}, {"guess", TRAIT_INTERACTIVE, 2},
    {"coach me", TRAIT_INTERACTIVE, 6}, {"after each", TRAIT_INTERACTIVE, 2},
    {NULL, 0, 0},
};

void cue_fold(struct str text, char *out, size_t size)
{
    size_t n = 0;
    if (size < 3) {
        if (size)
            out[0] = 0;
        return;
    }
    out[n++] = ' ';
    for (size_t i = 0; i < text.n && n < size - 2; i++) {
        unsigned char ch = (unsigned char)text.p[i];
        if (ch >= 'A' && ch <= 'Z')
            ch = (unsigned char)(ch | 0x20);
        bool word = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '\'' || ch >= 0x80;
        if (word)
            out[n++] = (char)ch;
        else if (out[n - 1] != ' ')
            out[n++] = ' ';
    }
    if (out[n - 1] != ' ')
        out[n++] = ' ';
    out[n] = 0;
}

bool cue_found(const char *folded, const char *phrase)
{
    bool at_start = phrase[0] == '^';
    phrase += at_start;
    size_t n = strlen(phrase);
    bool open_end = n && phrase[n - 1] == '*';
    n -= open_end;
    for (const char *at = folded; (at = strchr(at, ' ')) && at[1]; at++) {
        if (at[1] == phrase[0] && strncmp(at + 1, phrase, n) == 0 && (open_end || at[1 + n] == ' '))
            return true;
        if (at_start)
            return false;
    }
    return false;
}
