function __pi-demo_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __pi-demo_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __pi-demo_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __pi-demo_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __pi-demo_parse_tokens -S
    set -l unparsed_tokens (__pi-demo_tokens -pc)
    switch $unparsed_tokens[1]
    case 'pi-demo'
        __pi-demo_parse_subcommand -r 1 'mode=' 'rate=' 'wire=' 'cumulative' 'session=' 'c/continue' 'no-session' 'session-dir=' 'n/name=' 'model=' 'provider=' 'thinking=' 'e/extension=+' 'v/version' 'h/help'
    end
end

function __pi-demo_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __pi-demo_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __pi-demo_complete_directories
    set -l token (commandline -t)
    __fish_complete_directories $token ''
end

function __pi-demo_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__pi-demo_tokens -p)
    if test -z "$(__pi-demo_tokens -t)"
        set -l index (count (__pi-demo_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'pi-demo' -f
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" mode' -l 'mode' -d 'The mode; there is only rpc.' -rfka ''
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" rate' -l 'rate' -d 'Characters per second; 0: at once.' -rfka ''
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" wire' -l 'wire' -d 'Speak as pi 0.58, 0.79, 0.84, 0.87 or 1.0.' -rfka '0.58 0.79 0.84 0.87 1.0'
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" cumulative' -l 'cumulative' -d 'The same as --wire 0.58.'
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" session' -l 'session' -d 'Go on with this file, or start of an id.' -rF
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" c continue' -s 'c' -l 'continue' -d 'Go on with this folder\'s last session.'
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" no-session' -l 'no-session' -d 'Keep no session file.'
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" session-dir' -l 'session-dir' -d 'The folder of session files.' -rfa '(__pi-demo_complete_directories)'
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" n name' -l 'name' -s 'n' -d 'The session\'s name.' -rfka ''
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" model' -l 'model' -d 'demo-large, demo-small or demo-tiny; with :LEVEL.' -rfka ''
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" provider' -l 'provider' -d 'Ignored.' -rfka ''
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" thinking' -l 'thinking' -d 'off, minimal, low, medium or high.' -rfka ''
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo"' -s 'e' -l 'extension' -d 'Ignored.' -rfka ''
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" v version' -s 'v' -l 'version' -d 'Print the version.'
complete -c 'pi-demo' -n '__pi-demo_should_offer_completions_for_flags_or_options "pi-demo" h help' -s 'h' -l 'help' -d 'Show help information.'
