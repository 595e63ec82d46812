// What the tests need of an extension: dialogs, a tool that asks, commands that start a run and that start none.
export default function (pi: any) {
  const ask = async (ctx: any, kind: string) => {
    switch (kind) {
      case "confirm": return ctx.ui.confirm("Delete it?", "The file build.log is removed.");
      case "select": return ctx.ui.select("Pick a colour", ["red", "green", "blue"]);
      case "input": return ctx.ui.input("Your name", "name");
      default: return ctx.ui.editor("Commit message", "Fix it");
    }
  };
  pi.registerCommand("ask", {
    description: "Ask: confirm, select, input or editor",
    handler: async (kind: string, ctx: any) => {
      ctx.ui.notify(`answered ${JSON.stringify(await ask(ctx, kind))}`, "info");
    },
  });
  pi.registerCommand("nothing", {
    description: "Start no run",
    handler: async (text: string, ctx: any) => ctx.ui.notify(`nothing to do: ${text}`, "info"),
  });
  pi.registerCommand("boom", {
    description: "Throw",
    handler: async () => { throw new Error("thrown in /boom"); },
  });
  pi.registerCommand("send", {
    description: "Start a run",
    handler: async (text: string) => { pi.sendUserMessage(text || "say from the extension"); },
  });
  pi.registerTool({
    name: "ask_user", label: "Ask the user", description: "Ask the user a question",
    parameters: { type: "object", properties: { kind: { type: "string" } }, required: ["kind"] },
    execute: async (_id: string, params: any, _signal: any, _onUpdate: any, ctx: any) => ({
      content: [{ type: "text", text: `the user said ${JSON.stringify(await ask(ctx, params.kind))}` }], details: {},
    }),
  });
}
