/* The embedded small model (models/starter.gguf), as read-only bytes between two symbols. */
    .section .rodata.starter, "a", @progbits
    .global rung_starter_gguf
    .global rung_starter_gguf_end
    .balign 4096
rung_starter_gguf:
    .incbin "models/starter.gguf"
rung_starter_gguf_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits
