// A chat that is only read: code can be copied and long code unfolded.
import "./chat-copy.js";
import { decorate } from "./chat-code.js";

decorate(document);
